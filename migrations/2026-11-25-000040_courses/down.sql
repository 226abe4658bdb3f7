ALTER TABLE treatments DROP COLUMN course_id;
DROP TABLE courses;
