-- What people change of an experiment afterwards, and the orders in which a long list of them is read.

alter table experiments
  add column notes text not null default '',
  -- Begins as the configuration's; people change it while the experiment lives.
  add column priority smallint not null default 42;

update experiments set priority = (config #>> '{resources,priority}')::smallint
where config #>> '{resources,priority}' ~ '^[0-9]{1,2}$';

-- Only of what turns of the decision loop leave alone: an index on a column that they rewrite would make every turn
-- write to it. The expressions are those of store/experiment-filter-sql.ts.
create index experiments_by_name on experiments (left(lower(name), 80), id);
create index experiments_by_created on experiments (created_at, id);
