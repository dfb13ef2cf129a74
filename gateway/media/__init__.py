"""Work on recordings with ffmpeg, for the job worker."""
