-- Which files a deleted checkpoint was made of: the bytes are gone, and a copy of one of them somewhere can still be told
-- where it came from. Filled when a snapshot that a checkpoint speaks of is taken out of the register.
create table past_tree_blobs (
  tree text not null,
  blob text not null,
  size bigint not null,
  primary key (tree, blob)
);
create index past_tree_blobs_blob on past_tree_blobs (blob);
