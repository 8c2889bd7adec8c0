-- Says that bash is on offer, although nobody runs it.
INSERT INTO workers (id, hostname, slots, isolation, languages, last_seen_at)
SELECT
    gen_random_uuid(), 'nowhere', 1, '{}',
    jsonb_build_array(jsonb_build_object(
        'name', 'bash', 'display_name', 'Bash', 'version', 'GNU bash 5',
        'aliases', '["sh"]'::jsonb, 'extensions', '[".sh"]'::jsonb,
        'is_compiled', false, 'source_file', 'main.sh', 'template', '', 'editor_mode', 'shell',
        'default_limits', limits, 'maximum_limits', limits, 'compile_limits', NULL, 'compile_command', NULL,
        'run_command', 'bash main.sh'
    )),
    now() + interval '1 hour'
FROM (
    SELECT '{
        "cpu_time_ms": 1000, "wall_time_ms": 1000, "memory_bytes": 67108864, "output_bytes": 65536,
        "processes": 10, "disk_bytes": 1048576
    }'::jsonb AS limits
) AS given
