-- The roles stay: other databases of the server may use them.
SELECT 1;
