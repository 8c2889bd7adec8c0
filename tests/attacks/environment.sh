# attack: reads the environment for secrets of the server
# expect: OK
# says:   HELD
env | grep -qiE 'password|secret|token|database|codecanvas_|pghost|aws_|ssh_' && echo "BREACH $(env)"
echo HELD
