/* Lets Python switch callgrind's instrumentation, so that imports are not what gets counted. */
#include <valgrind/callgrind.h>

void count_on(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void count_off(void) { CALLGRIND_STOP_INSTRUMENTATION; }
