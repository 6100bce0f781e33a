#!/usr/bin/env bash
# Makes streamer/assets/sample.mp4, the title that every demo starts with. Run it from the repository's root.
#
# Everything in it is generated: a drifting gradient under a grid, colour bars, a clock that counts seconds and
# frames, a bar that fills over the whole minute, a dot that crosses the picture once a second, and a note that is
# struck each second (a chromatic scale, so twelve seconds to the octave). A skipped, repeated or frozen moment can
# therefore be seen and heard.
#
# H.264 main profile and AAC, 640x360, 30 frames a second, a key frame every 2 s, 60 s, the index in front of the
# media ("fast start"), so that a player can begin and seek with plain byte ranges.
#
# Needs ffmpeg with libx264 and libfreetype, and the DejaVu fonts (Debian: ffmpeg, fonts-dejavu-core).
set -euo pipefail

seconds=60
font='DejaVu Sans Mono'

picture="
gradients=size=640x360:rate=30:duration=${seconds}:n=4:c0=0x071526:c1=0x0f4c75:c2=0x1b9aaa:c3=0x2b2d6e:speed=0.012:seed=11,
  drawgrid=width=40:height=40:thickness=1:color=white@0.10,
  drawbox=x=0:y=300:w=iw:h=60:color=black@0.45:t=fill[ground];
pal75bars=size=640x16:rate=30:duration=${seconds}[bars];
testsrc2=size=160x90:rate=30:duration=${seconds}[pattern];
color=color=0x4cc9f0:size=640x6:rate=30:duration=${seconds}[minute];
color=color=0xf9c74f:size=14x14:rate=30:duration=${seconds}[dot];
[ground][bars]overlay=x=0:y=344[a];
[a][pattern]overlay=x=460:y=20[b];
[b][minute]overlay=x='-W+W*t/${seconds}':y=338:eval=frame[c];
[c][dot]overlay=x='(W-w)*(0.5-0.5*cos(PI*t))':y=276:eval=frame[d];
[d]drawtext=font='${font}':text='RAIN':fontsize=44:fontcolor=white:x=28:y=26,
  drawtext=font='${font}':text='any two of four may fail':fontsize=17:fontcolor=white@0.85:x=30:y=80,
  drawtext=font='${font}':text='%{eif\:floor(t/60)\:d\:2}\:%{eif\:mod(floor(t+0.001)\,60)\:d\:2}.%{eif\:mod(n\,30)\:d\:2}':
    fontsize=108:fontcolor=white:borderw=3:bordercolor=black@0.5:x=(w-text_w)/2:y=160,
  drawtext=font='${font}':text='frame %{n}':fontsize=16:fontcolor=white@0.8:x=28:y=311,
  format=yuv420p[picture]"

# One note a second: it starts at full strength and dies away before the next.
sound="aevalsrc=0.45*sin(2*PI*220*pow(2\,mod(floor(t)\,12)/12)*mod(t\,1))*exp(-5*mod(t\,1)):sample_rate=48000:duration=${seconds}"

ffmpeg -hide_banner -loglevel warning -y \
    -f lavfi -i "$sound" -filter_complex "$picture" -map '[picture]' -map 0:a \
    -c:v libx264 -profile:v main -preset slow -crf 21 -maxrate 700k -bufsize 1400k \
    -g 60 -keyint_min 60 -sc_threshold 0 \
    -c:a aac -b:a 64k -ac 1 \
    -t "$seconds" -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -movflags +faststart \
    streamer/assets/sample.mp4
