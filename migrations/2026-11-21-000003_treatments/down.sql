DROP TABLE treatments;
DROP TABLE protocol_texts;
DROP TABLE protocol_versions;
