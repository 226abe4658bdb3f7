DROP TABLE replans;
