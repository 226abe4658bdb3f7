ALTER TABLE alerts SET (fillfactor = 50);
