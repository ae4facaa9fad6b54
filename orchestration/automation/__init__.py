"""Jobs: what is launched together. Schedules, partitions and sensors belong here too."""
