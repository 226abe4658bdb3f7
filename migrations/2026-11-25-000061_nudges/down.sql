DELETE FROM alerts WHERE category = 'nudge';
ALTER TABLE alerts
    DROP CONSTRAINT alerts_category_check,
    ADD CONSTRAINT alerts_category_check CHECK (category IN
        ('milestone', 'restriction', 'routine', 'check_in', 'follow_up', 'session', 'flag', 'service', 'test'));
DROP TABLE nudge_rounds;
DROP TABLE nudges;
ALTER TABLE clinics
    DROP COLUMN nudge_enabled,
    DROP COLUMN nudge_below_bp,
    DROP COLUMN nudge_days,
    DROP COLUMN nudge_min_tasks;
