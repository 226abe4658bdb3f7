DELETE FROM flag_events WHERE kind = 'told_again';
ALTER TABLE flag_events
    DROP CONSTRAINT flag_events_kind_check,
    ADD CONSTRAINT flag_events_kind_check CHECK (kind IN ('opened', 'reported', 'raised', 'acknowledged', 'contacted',
        'resolved', 'reopened', 'escalated', 'unreached'));
DROP TABLE restores;
