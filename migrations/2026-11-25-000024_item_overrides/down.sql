DELETE FROM treatment_changes WHERE item_key IS NOT NULL;
ALTER TABLE treatment_changes
    DROP CONSTRAINT treatment_changes_because,
    DROP CONSTRAINT treatment_changes_of_item,
    DROP CONSTRAINT treatment_changes_of_one,
    ALTER COLUMN reason SET NOT NULL,
    DROP COLUMN change,
    DROP COLUMN item_key;
COMMENT ON COLUMN treatment_changes.reason IS 'Why, in the words of whoever did it.';
