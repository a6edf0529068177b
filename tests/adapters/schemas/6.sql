INSERT INTO tries (email, wrong, last_at) VALUES ('ben@example.org', 2, 1767268800000000);
