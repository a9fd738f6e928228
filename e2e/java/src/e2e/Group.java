package e2e;

/** Cases about one subject. */
interface Group {
    /** Adds the orchestrations, activities and cases. */
    void add(Env env);
}
