CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE bookings ADD CONSTRAINT no_double_booking
    EXCLUDE USING gist (bay_id WITH =, int8range(begins_at, ends_at) WITH &&) WHERE (holds = 1);
