-- The clean file counted a second time: every table of wikipedia.yaml, written by hand, sharing no code with Crossfoot.
-- One row a cell: metric, kind of table, grain, window, dimensions, measures. The kind says by bits which of page (4),
-- channel (2) and robot (1) the table is NOT grouped by.
with edit as (
    select
        cast(time as timestamp) as made, page, channel, isRobot as robot, isNew as new, added, deleted
    from read_json(
        $file,
        format = 'newline_delimited',
        columns = {
            time: 'varchar', page: 'varchar', channel: 'varchar',
            isRobot: 'boolean', isNew: 'boolean', added: 'bigint', deleted: 'bigint'
        }
    )
),
windowed as (
    select '1h' as grain, epoch_us(date_trunc('hour', made)) as window_us, * from edit
    union all
    select '1d', epoch_us(date_trunc('day', made)), * from edit
    union all
    select 'all', null, * from edit
)
select
    'edits' as metric, grouping(page, channel, robot) as kind, grain, window_us, page, channel, robot,
    count(*) as first, sum(added) as second, sum(deleted) as third
from windowed
group by grouping sets (
    (grain, window_us), (grain, window_us, page), (grain, window_us, channel), (grain, window_us, channel, robot)
)
union all
select
    'new_pages', 4 + 2 * grouping(channel) + 1, grain, window_us, null, channel, null,
    count(*), null, null
from windowed
where new and grain <> '1d'
group by grouping sets ((grain, window_us), (grain, window_us, channel))
