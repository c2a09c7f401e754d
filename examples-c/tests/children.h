/* Work that may end its process: done in a child of the test, which is told how that went. */
#ifndef CHILDREN_H
#define CHILDREN_H

typedef enum {
    CHILD_AS_USUAL, /* what the work returns itself: it was done, and right */
    CHILD_REFUSED,  /* it failed as documented */
    CHILD_OTHER,    /* it failed in another way */
    CHILD_ABORTED,  /* by abort() */
    CHILD_CRASHED,  /* by another signal, or because it took too long */
    CHILD_ENDS
} child_end_t;

/* Runs the work in a child, whose standard error is lost. */
child_end_t run_child(child_end_t (*work)(const void *context), const void *context);

const char *child_end_name(child_end_t end);

#endif
