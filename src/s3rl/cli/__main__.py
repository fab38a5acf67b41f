"""``python -m s3rl.cli``, where the command ``s3rl`` is not on the path."""

from s3rl.cli import main

main(prog_name="s3rl")
