CREATE TABLE baselines (
	series TEXT NOT NULL,
	metric TEXT NOT NULL,
	state  BLOB NOT NULL,
	PRIMARY KEY (series, metric)
);
