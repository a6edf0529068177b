"""The tables of one machine, as the steps that lead to them. A step that was released is never changed: add another.

Every aggregate is a row: its id, its version, what lists and sweeps look for, and ``doc``, all of it as JSON
(``adapters.rows``). Times are whole microseconds since 1970. Counts stand beside what they count and change in the
same transaction; ``hexcast check`` counts again.
"""

APPLICATION = 0x48455843
"""Marks the file as ours: HEXC."""

_1 = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- people
CREATE TABLE user (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, handle TEXT NOT NULL UNIQUE,
    doc TEXT NOT NULL
) STRICT;
CREATE TABLE account (
    n INTEGER PRIMARY KEY, user TEXT NOT NULL UNIQUE, email TEXT NOT NULL UNIQUE,
    code_until INTEGER,  -- of an account that waits to be confirmed: when its last code runs out
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX account_unconfirmed ON account (code_until, n) WHERE code_until IS NOT NULL;
CREATE TABLE sign_in (
    family TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, began_at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_account ON sign_in (account);
CREATE INDEX sign_in_began ON sign_in (began_at);
CREATE TABLE mail (n INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE INDEX mail_recipient ON mail (recipient, n);

-- channels and videos
CREATE TABLE channel (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, handle TEXT NOT NULL UNIQUE,
    doc TEXT NOT NULL
) STRICT;
CREATE TABLE member (
    user TEXT NOT NULL, created_at INTEGER NOT NULL, id TEXT NOT NULL,  -- the channel's
    channel INTEGER NOT NULL REFERENCES channel ON DELETE CASCADE,
    PRIMARY KEY (user, created_at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_channel ON member (channel);
CREATE TABLE video (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, channel TEXT NOT NULL,
    created_at INTEGER NOT NULL, publish_at INTEGER,
    listed_at INTEGER,  -- published_at of those that are listable
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX video_created ON video (channel, created_at, id);
CREATE INDEX video_due ON video (publish_at, id) WHERE publish_at IS NOT NULL;
CREATE INDEX video_listed ON video (listed_at, id) WHERE listed_at IS NOT NULL;
CREATE INDEX video_listed_in ON video (channel, listed_at, id) WHERE listed_at IS NOT NULL;
CREATE TABLE tag (  -- of listable videos
    tag TEXT NOT NULL, listed_at INTEGER NOT NULL, id TEXT NOT NULL, channel TEXT NOT NULL,
    video INTEGER NOT NULL REFERENCES video ON DELETE CASCADE,
    PRIMARY KEY (tag, listed_at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_in ON tag (channel, tag, listed_at, id);
CREATE INDEX tag_video ON tag (video);
CREATE TABLE listed_count (channel TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE upload (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, user TEXT NOT NULL, video TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,  -- of those that are open
    bytes INTEGER NOT NULL,  -- what it takes of its user's quota
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX upload_user ON upload (user, created_at, id);
CREATE INDEX upload_user_open ON upload (user, created_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX upload_video ON upload (video, created_at, id);
CREATE INDEX upload_expires ON upload (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE TABLE usage (user TEXT PRIMARY KEY, bytes INTEGER NOT NULL, open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE processing (
    n INTEGER PRIMARY KEY, video TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
    unfinished_since INTEGER,  -- updated_at of those that are not done
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX processing_unfinished ON processing (unfinished_since, video) WHERE unfinished_since IS NOT NULL;
CREATE TABLE job (  -- the transcoder's queue
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL,
    state TEXT NOT NULL,  -- waiting, running, cancelled (its files are still to be removed), over
    runs INTEGER NOT NULL DEFAULT 0,  -- how often it was taken up; a runner that was overtaken finds another number
    deaths INTEGER NOT NULL DEFAULT 0,  -- how many of its runners ended without a word
    held_until INTEGER,  -- by whoever took it up; NULL: by nobody
    said_in INTEGER NOT NULL DEFAULT 0,  -- the run that said the last report
    report TEXT NOT NULL  -- the last one
) STRICT;
CREATE INDEX job_state ON job (state, n);
CREATE INDEX job_held ON job (held_until) WHERE held_until IS NOT NULL;
CREATE TABLE report (
    n INTEGER PRIMARY KEY AUTOINCREMENT, doc TEXT NOT NULL UNIQUE, given_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX report_given ON report (given_until, n);

-- engagement
CREATE TABLE comment (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, video TEXT NOT NULL,
    channel TEXT NOT NULL, author TEXT NOT NULL, parent TEXT, status TEXT NOT NULL, pinned INTEGER NOT NULL,
    placed INTEGER NOT NULL,  -- on the video itself, and visible or with visible replies
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX comment_video ON comment (video, id);
CREATE INDEX comment_placed ON comment (video, id) WHERE placed = 1;
CREATE UNIQUE INDEX comment_pinned ON comment (video) WHERE pinned = 1;
CREATE INDEX comment_replies ON comment (parent, id) WHERE status = 'visible' AND parent IS NOT NULL;
CREATE INDEX comment_held ON comment (channel, id) WHERE status = 'held';
CREATE INDEX comment_held_by ON comment (video, author, ifnull(parent, ''), id) WHERE status = 'held';
CREATE INDEX comment_channel ON comment (channel, id) WHERE status <> 'removed';
CREATE INDEX comment_known ON comment (channel, author) WHERE status = 'visible';
CREATE TABLE comment_count (video TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE reply_count (comment TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE reaction (
    subject TEXT NOT NULL, user TEXT NOT NULL, reaction TEXT NOT NULL, PRIMARY KEY (subject, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE tally (
    subject TEXT PRIMARY KEY, likes INTEGER NOT NULL, dislikes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subscription (
    user TEXT NOT NULL, channel TEXT NOT NULL, notify TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (user, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_of ON subscription (user, since, channel);
CREATE INDEX subscription_to ON subscription (channel, since, user);
CREATE TABLE subscriber_count (channel TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- watching
CREATE TABLE session (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, started_at INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX session_started ON session (started_at);
CREATE TABLE view_count (video TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE watched (
    user TEXT NOT NULL, video TEXT NOT NULL, position_s REAL NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (user, video)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_latest ON watched (user, at, video);

-- notifications
CREATE TABLE inbox (
    user TEXT PRIMARY KEY,
    mark TEXT NOT NULL DEFAULT '',  -- all up to this one are read
    settings TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE notification (  -- by arrival: what is told to many at once lies together, in few pages
    n INTEGER PRIMARY KEY, user TEXT NOT NULL, id TEXT NOT NULL,
    read INTEGER NOT NULL DEFAULT 0,  -- though it lies beyond the mark
    doc TEXT NOT NULL,
    UNIQUE (user, id)
) STRICT;
CREATE INDEX notification_read ON notification (user, id) WHERE read = 1;
CREATE TABLE told (
    n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
    teller TEXT NOT NULL,  -- which process said it
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX told_at ON told (at);

-- discovery
CREATE TABLE document (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at REAL NOT NULL, doc TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (title, tags, names, body, tokenize = 'ascii', prefix = '2 3');

-- how things keep happening
CREATE TABLE event (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, doc TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    held_until INTEGER,  -- NULL: nobody holds it
    reason TEXT  -- of a dead letter
) STRICT;
CREATE INDEX event_free ON event (n) WHERE held_until IS NULL AND reason IS NULL;
CREATE INDEX event_held ON event (held_until) WHERE held_until IS NOT NULL AND reason IS NULL;
CREATE INDEX event_dead ON event (id) WHERE reason IS NOT NULL;
CREATE TABLE event_known (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE request (  -- with an idempotency key
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, at INTEGER NOT NULL,
    held_until INTEGER,  -- until when nobody else answers it; NULL: it is answered, or free
    effected INTEGER NOT NULL DEFAULT 0,  -- something was stored that came of it
    status INTEGER, headers TEXT, body BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX request_at ON request (at);
CREATE INDEX request_held ON request (held_until) WHERE held_until IS NOT NULL;
"""

_2 = """
ALTER TABLE event ADD COLUMN held_since INTEGER;  -- a clock that is set back before then moves held_until, too
CREATE TABLE newest (  -- of names whose rows do not stay: none that is given later may sort below
    kind TEXT PRIMARY KEY, id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Events go when they are delivered, and notifications that are named after them stay.
INSERT INTO newest SELECT 'event', 'evt_' || substr(max(id), 5) FROM notification WHERE length(id) = 30 HAVING count(*);
"""

_3 = """
-- livestreams
CREATE TABLE stream (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, channel TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ingest TEXT UNIQUE,  -- NULL of one that its ingest does not know yet
    live_since INTEGER,  -- of those that the directory lists
    remind_at INTEGER,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX stream_created ON stream (channel, created_at, id);
CREATE INDEX stream_live ON stream (live_since, id) WHERE live_since IS NOT NULL;
CREATE INDEX stream_near ON stream (remind_at, id) WHERE remind_at IS NOT NULL;
CREATE TABLE timeline (
    n INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, look_at INTEGER, doc TEXT NOT NULL
) STRICT;
CREATE INDEX timeline_due ON timeline (look_at, stream) WHERE look_at IS NOT NULL;
CREATE TABLE stream_session (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stream TEXT NOT NULL,
    started_at INTEGER,  -- NULL of those that have joined another
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX stream_session_started ON stream_session (stream, started_at, id);
CREATE TABLE happening (  -- those of a stream lie together, in the order in which they are shown
    stream TEXT NOT NULL, at INTEGER NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (stream, at, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE chat_message (
    stream TEXT NOT NULL, at INTEGER NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (stream, at, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX chat_message_id ON chat_message (stream, id);
CREATE TABLE chat_spoke (  -- when somebody last said something while there was slow mode
    stream TEXT NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (stream, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE chat_ban (
    stream TEXT NOT NULL, user TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (stream, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE chat_told (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, doc TEXT NOT NULL) STRICT;
CREATE INDEX chat_told_at ON chat_told (at);
CREATE TABLE chat_token (id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;  -- those that were used
CREATE INDEX chat_token_until ON chat_token (until);
"""

_4 = """
-- the ingest
CREATE TABLE ingest (  -- what is taken for each stream
    name TEXT PRIMARY KEY, stream TEXT NOT NULL, enabled INTEGER NOT NULL, record INTEGER NOT NULL,
    window_s INTEGER NOT NULL,
    cut INTEGER NOT NULL DEFAULT 0,  -- goes up when what is broadcast has to end: whoever takes it sees that
    said TEXT  -- the last thing that was
) STRICT, WITHOUT ROWID;
CREATE TABLE ingest_key (
    digest TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES ingest ON DELETE CASCADE,
    n INTEGER NOT NULL,  -- of the stream's keys, in order
    key TEXT  -- NULL of one that was replaced, of which it is only known whose it was
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ingest_key_name ON ingest_key (name, n);
CREATE TABLE take (  -- what is shown as one, and recorded in one: broadcasts that follow each other within the window
    id TEXT PRIMARY KEY, name TEXT NOT NULL, stream TEXT NOT NULL, recorded INTEGER NOT NULL,
    cut INTEGER NOT NULL,  -- the ingest's, when it began
    broadcast TEXT,  -- the one that goes on; NULL: none does
    since INTEGER NOT NULL,  -- when the last broadcast began
    over_at INTEGER,  -- when the last one ended
    broadcasts TEXT NOT NULL,
    said TEXT  -- of what is over: how the recording ended
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX take_open ON take (name) WHERE said IS NULL;
CREATE TABLE wish (  -- of other processes, for whoever takes what is broadcast
    n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE TABLE viewers (  -- as each process counts them
    stream TEXT NOT NULL, process TEXT NOT NULL, count INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (stream, process)
) STRICT, WITHOUT ROWID;
CREATE INDEX viewers_at ON viewers (at);
CREATE TABLE signal (
    n INTEGER PRIMARY KEY AUTOINCREMENT, doc TEXT NOT NULL UNIQUE, given_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX signal_given ON signal (given_until, n);
"""

_5 = """
CREATE TABLE viewing (  -- what was watched of a video, or of all of a channel's, on a day (UTC)
    subject TEXT NOT NULL, day TEXT NOT NULL, views INTEGER NOT NULL, watched_ms INTEGER NOT NULL,
    PRIMARY KEY (subject, day)
) STRICT, WITHOUT ROWID;
"""

_6 = """
CREATE TABLE tries (  -- wrong passwords in a row for an address, known or not
    email TEXT PRIMARY KEY, wrong INTEGER NOT NULL, last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tries_last ON tries (last_at);
"""

MIGRATIONS = (_1, _2, _3, _4, _5, _6)
"""Step n leads from schema n to n + 1; the file knows its own (``user_version``)."""
