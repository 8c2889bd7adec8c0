# attack: the classical fork bomb of the shell
# expect: OK RUNTIME_ERROR CPU_TIME_LIMIT WALL_TIME_LIMIT MEMORY_LIMIT
bomb() { bomb | bomb & }
bomb
wait
