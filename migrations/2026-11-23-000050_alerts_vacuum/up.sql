-- Every alert is updated a few times in its life, and most of the table is finished alerts that never change again. By
-- default a vacuum begins when a fifth of the rows are dead: of twenty million, four million, through which every look
-- for what is due next would have to wade.
ALTER TABLE alerts SET (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.02
);
