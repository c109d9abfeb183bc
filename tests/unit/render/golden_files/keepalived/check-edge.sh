#!/bin/sh
# Written by forebay from forebay.yaml: changes made here are lost.
exec curl --silent --fail --insecure --max-time 1.5 --output /dev/null https://127.0.0.1:443/ready
