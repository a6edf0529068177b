INSERT INTO viewing (subject, day, views, watched_ms) VALUES ('vid_1', '2026-01-01', 1, 42500);
INSERT INTO viewing (subject, day, views, watched_ms) VALUES ('chn_cats', '2026-01-01', 2, 50000);
