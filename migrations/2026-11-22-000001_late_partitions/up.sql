-- A month whose rows already lie in the default partition, because nobody made its own in time, gets it all the same: the
-- rows move. The lock keeps further rows out of the default partition meanwhile, and two who make partitions apart.
CREATE OR REPLACE FUNCTION ensure_month_partitions(parent text, since date, months integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    rest text := parent || '_rest';
    month date;
    name text;
    starts timestamptz;
    ends timestamptz;
    made integer := 0;
BEGIN
    FOR step IN 0 .. months - 1 LOOP
        month := date_trunc('month', since)::date + make_interval(months => step);
        name := parent || to_char(month, '_YYYY_MM');
        starts := month::timestamp AT TIME ZONE 'UTC';
        ends := (month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', rest);
        CONTINUE WHEN to_regclass(quote_ident(name)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, parent);
        EXECUTE format('WITH late AS (DELETE FROM %I WHERE at >= %L AND at < %L RETURNING *) INSERT INTO %I TABLE late',
            rest, starts, ends, name);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name, starts, ends);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
