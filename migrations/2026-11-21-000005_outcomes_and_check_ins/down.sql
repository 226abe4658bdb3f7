DROP TABLE flag_events;
DROP TABLE flags;
DROP TABLE check_ins;
DROP TABLE outcomes;
