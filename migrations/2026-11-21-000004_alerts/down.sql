DROP TABLE attempts;
DROP TABLE alerts;
