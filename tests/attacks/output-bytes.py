# attack: output that breaks terminals, databases and pages
# expect: OK
# says:   HELD
import os

os.write(1, b"\0\x1b]0;owned\x07\x1b[2J\xff\xfe\xc0\x80\xed\xa0\x80\xe2\x80\xae<script>alert(1)</script>\r\n")
os.write(1, "\u202e\ufeff\U0001f600".encode()[:-1] + b"\nHELD\n")
