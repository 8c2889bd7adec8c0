# The mean of each student's marks.
declare -A sum count
while read -r name mark; do
  ((sum[$name] += mark, count[$name] += 1))
done
for name in "${!sum[@]}"; do
  printf '%s %d.%02d\n' "$name" $((sum[$name] / count[$name])) $((sum[$name] * 100 / count[$name] % 100))
done | sort
