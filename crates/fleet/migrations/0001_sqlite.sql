CREATE TRIGGER no_double_booking BEFORE INSERT ON bookings WHEN NEW.holds = 1 AND EXISTS (
    SELECT 1 FROM bookings
    WHERE bay_id = NEW.bay_id AND holds = 1 AND begins_at < NEW.ends_at AND ends_at > NEW.begins_at
) BEGIN SELECT RAISE(ABORT, 'no_double_booking'); END;
CREATE TRIGGER no_double_booking_later BEFORE UPDATE ON bookings WHEN NEW.holds = 1 AND EXISTS (
    SELECT 1 FROM bookings
    WHERE id <> NEW.id AND bay_id = NEW.bay_id AND holds = 1 AND begins_at < NEW.ends_at AND ends_at > NEW.begins_at
) BEGIN SELECT RAISE(ABORT, 'no_double_booking'); END;
