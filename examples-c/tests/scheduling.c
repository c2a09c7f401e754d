#include "scheduling.h"

#include "check.h"
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* The second number there: nanoseconds on the run queue. */
static int64_t read_delay(const char *path) {
    long long used;
    long long waited = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld %lld", &used, &waited) != 2)
        waited = 0;
    fclose(file);
    return waited;
}

static int64_t read_delays_of_threads(pid_t pid) {
    char path[300];
    int64_t sum = 0;
    const struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    REQUIRE(threads != NULL);
    while ((entry = readdir(threads)) != NULL)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, entry->d_name);
            sum += read_delay(path);
        }
    closedir(threads);
    return sum;
}

void sample_delays(delays_t *delays) {
    int64_t now = now_in_milliseconds();
    if (delays->count > 0 && delays->times[delays->count - 1] >= now)
        return;
    REQUIRE(delays->count < MOST_DELAY_SAMPLES);
    delays->delays[delays->count] =
        read_delays_of_threads(delays->pid) + read_delay("/proc/thread-self/schedstat");
    /* Read afterwards: whatever was waited for until then is in it. */
    delays->times[delays->count++] = now;
}

int64_t get_delay(const delays_t *delays, int64_t from, int64_t to) {
    size_t first = 0;
    while (first + 1 < delays->count && delays->times[first + 1] <= from)
        first++;
    size_t last = first;
    while (last + 1 < delays->count && delays->times[last] < to)
        last++;
    return delays->count == 0 ? 0 : (delays->delays[last] - delays->delays[first]) / 1000000;
}
