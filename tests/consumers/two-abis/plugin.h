const char *plugin_version(void);
