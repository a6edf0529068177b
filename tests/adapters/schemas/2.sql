-- What schema 2 keeps beside.
INSERT INTO newest (kind, id) VALUES ('event', 'evt_01KDWPVNG07CXD9QNHZBSBGHK0');
UPDATE event SET held_since = 1767268800000000 WHERE held_until = 1767268860000000;
