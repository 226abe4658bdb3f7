-- Beside the version a treatment follows, items of it may be changed for one treatment; lifted, they are as the version has
-- them.

ALTER TABLE treatment_changes
    ADD COLUMN item_key text,
    ADD COLUMN change jsonb,
    ALTER COLUMN reason DROP NOT NULL,
    ADD CONSTRAINT treatment_changes_of_one CHECK ((item_key IS NULL) = (from_version_id <> to_version_id)),
    ADD CONSTRAINT treatment_changes_of_item CHECK (item_key IS NOT NULL OR change IS NULL),
    ADD CONSTRAINT treatment_changes_because CHECK (reason IS NOT NULL OR (item_key IS NOT NULL AND change IS NULL));
COMMENT ON COLUMN treatment_changes.reason IS 'Why, in the words of whoever did it; lifting a change needs no reason.';
COMMENT ON COLUMN treatment_changes.item_key IS 'The item that was changed; absent where the version was.';
COMMENT ON COLUMN treatment_changes.change IS 'What it was changed to; absent where it is as the version has it again.';
