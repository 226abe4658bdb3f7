DROP TABLE accepted_locales;
