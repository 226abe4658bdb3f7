DROP TABLE excuses;
