DROP TABLE condition_decisions;
