#!/bin/sh
# Makes beep.adts, the sound of the test pattern, with FFmpeg: at each full second 100 ms of a 1 kHz tone, for 8 s,
# which are 375 AAC frames at 48 kHz. The frames are cut from the middle of a longer stretch, so that the loop
# closes; FFmpeg's encoder puts one frame of priming before the first sample, so the loop that sounds from 8 s to 16 s is
# the packets 376 to 750.
set -eu
cd "$(dirname "$0")"
long=$(mktemp --suffix=.adts)
trap 'rm -f "$long"' EXIT
ffmpeg -v error -y -f lavfi -i "aevalsrc='0.25*sin(2*PI*1000*t)*lt(mod(t,1),0.1)|0.25*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000:d=24" \
	-c:a aac -b:a 96k -flags +bitexact "$long"
ffmpeg -v error -y -i "$long" -c copy -bsf:a "noise=drop='lt(n,376)+gt(n,750)'" -f adts beep.adts
