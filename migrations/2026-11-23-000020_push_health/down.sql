DROP TABLE push_health;
