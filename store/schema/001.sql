CREATE TABLE sequence (n INTEGER NOT NULL);
INSERT INTO sequence (n) VALUES (0);

CREATE TABLE alerts (
	id          TEXT PRIMARY KEY,
	seq         INTEGER NOT NULL,
	target      TEXT NOT NULL,
	operator    TEXT NOT NULL,
	status      TEXT NOT NULL,
	severity    TEXT NOT NULL,
	detected_at INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL,
	cleared_at  INTEGER,
	body        TEXT NOT NULL
);
CREATE UNIQUE INDEX alerts_seq ON alerts (seq);
CREATE INDEX alerts_detected ON alerts (detected_at);

CREATE TABLE insights (
	id         TEXT PRIMARY KEY,
	target     TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	body       TEXT NOT NULL
);
CREATE INDEX insights_created ON insights (created_at);

CREATE TABLE snapshots (
	id          TEXT PRIMARY KEY,
	target      TEXT NOT NULL,
	skill       TEXT NOT NULL,
	captured_at INTEGER NOT NULL,
	body        TEXT NOT NULL
);
CREATE INDEX snapshots_captured ON snapshots (captured_at);

CREATE TABLE journal (
	run  TEXT NOT NULL,
	n    INTEGER NOT NULL,
	at   INTEGER NOT NULL,
	body TEXT NOT NULL,
	PRIMARY KEY (run, n)
);
CREATE INDEX journal_at ON journal (at);

CREATE TABLE cursors (
	name TEXT PRIMARY KEY,
	pos  INTEGER NOT NULL
);
