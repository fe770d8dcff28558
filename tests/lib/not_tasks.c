/* A shared object without a table of tasks: the worker must refuse it in one clear line. */
int not_tasks_answer(void);

int not_tasks_answer(void)
{
    return 42;
}
