"""What is worth an alert, the memory that tells each cause at most once, and the delivery to log and webhook. No Dagster.

Who calls it: the command at the end of a run, and the sensors for runs of the web server and of schedules.
"""
