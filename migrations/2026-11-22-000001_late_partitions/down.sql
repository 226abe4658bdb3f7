CREATE OR REPLACE FUNCTION ensure_month_partitions(parent text, since date, months integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    month date;
    made integer := 0;
BEGIN
    FOR step IN 0 .. months - 1 LOOP
        month := date_trunc('month', since)::date + make_interval(months => step);
        IF to_regclass(format('%I', parent || to_char(month, '_YYYY_MM'))) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                parent || to_char(month, '_YYYY_MM'), parent,
                month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
