DROP TABLE notification_preferences;
DROP TABLE devices;
DROP TABLE reset_codes;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
DROP TABLE memberships;
DROP TABLE users;
DROP TABLE clinics;
