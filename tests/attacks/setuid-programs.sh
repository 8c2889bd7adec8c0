# attack: runs every set-user-ID program it finds
# expect: OK
# says:   HELD
for program in /usr/bin/su /usr/bin/sudo /usr/bin/mount /usr/bin/passwd /usr/bin/newgrp /usr/bin/chsh /usr/bin/newuidmap /usr/bin/crontab; do
    [ -u "$program" ] && [ "$("$program" -c id </dev/null 2>/dev/null | grep -c uid=0)" != 0 ] && echo "BREACH $program"
done
cp /usr/bin/id /tmp/id 2>/dev/null && chmod 6755 /tmp/id 2>/dev/null
/tmp/id | grep -q 'uid=0' && echo "BREACH set-user-ID copy"
echo HELD
