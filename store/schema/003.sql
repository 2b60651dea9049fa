CREATE TABLE calls (
	id   TEXT PRIMARY KEY,
	at   INTEGER NOT NULL,
	body TEXT NOT NULL
);
CREATE INDEX calls_at ON calls (at);
