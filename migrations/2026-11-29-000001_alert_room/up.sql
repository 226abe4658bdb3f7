-- A settled row is longer than a planned one by the moments that were entered. Where half of a page is room and all of its
-- alerts are due together, the last of them found none any more, and went into every index after all. (Measured among twenty
-- million: ten pages of indexes for a hundred settled alerts.)
ALTER TABLE alerts SET (fillfactor = 45);
