-- How long the texts of the writer's first `size` records are together. Those from before there was
-- this column are not counted: what is kept by size is what was written since.
ALTER TABLE checkpoints ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
