INSERT INTO ingest (name, stream, enabled, record, window_s, cut, said) VALUES ('str_1', 'str_1', 1, 1, 60, 2, '{"id":"evt_1","ingest":"str_1","broadcast":"st-1","kind":"stream_start","at":"2026-01-01T12:00:00Z","detail":{}}');
INSERT INTO ingest_key (digest, name, n, key) VALUES ('2f92aa571e5d4d94df1ff9f0f4b8db0b54fa3d9ac1b1a4a40c6f1cf39a9b4b0a', 'str_1', 1, 'live_1');
INSERT INTO take (id, name, stream, recorded, cut, broadcast, since, over_at, broadcasts, said) VALUES ('rec-1', 'str_1', 'str_1', 1, 2, NULL, 1767268800000000, 1767268860000000, '["st-1"]', '{"id":"evt_2","ingest":"str_1","broadcast":"st-1","kind":"recording_end","at":"2026-01-01T12:01:00Z","detail":{"recording":"rec-1","source":"recordings/rec-1/source","duration_s":60.0,"broadcasts":["st-1"]}}');
INSERT INTO wish (n, name, kind, at, text) VALUES (1, 'str_1', 'note', 1767268800000000, 'goal');
INSERT INTO viewers (stream, process, count, at) VALUES ('str_1', 'p', 3, 1767268800000000);
INSERT INTO signal (n, doc, given_until) VALUES (1, '{"id":"evt_1","ingest":"str_1","broadcast":"st-1","kind":"stream_start","at":"2026-01-01T12:00:00Z","detail":{}}', 0);
