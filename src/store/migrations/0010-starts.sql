-- Which checkpoints other experiments go on from. Of the configuration, which never changes: an index on what turns of the
-- decision loop rewrite would make every turn write to it.
create index experiments_start on experiments ((config #>> '{searcher,source_checkpoint_uuid}'))
  where config #>> '{searcher,source_checkpoint_uuid}' is not null;
