-- Commands, shells and notebooks among experiments: few, and told from the others at every list.
create index experiments_tasks on experiments (id) where config #>> '{task,kind}' is not null;
