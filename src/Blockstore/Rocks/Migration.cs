namespace Ipcs.Blockstore.Rocks;

/// <summary>A change of the tables from one schema version to the next.</summary>
/// <param name="What">What is changed, for the log.</param>
/// <param name="Change">
/// Makes the change. Called again from the begin when the process has ended in the middle, so it must take tables that are partly changed.
/// Its second argument takes the number of records that are done.
/// </param>
internal sealed record Migration(string What, Action<Database, Action<long>> Change)
{
    /// <summary>
    /// The schema version of the first release. A store of this or a later version is migrated; an earlier one is refused.
    /// </summary>
    public const int First = 4;

    /// <summary>The change from <see cref="First"/> to the next version, and so on to <see cref="RocksStore.SchemaVersion"/>.</summary>
    public static IReadOnlyList<Migration> All { get; } = [];

    /// <summary>Makes the changes that a store lacks, one after the other.</summary>
    /// <param name="database">The database.</param>
    /// <param name="version">Its schema version.</param>
    /// <param name="migrations">The changes from <see cref="First"/> on.</param>
    /// <param name="save">Stores the version that was reached, durably.</param>
    /// <param name="tell">Called with a line of text at the begin of each change and at times while it runs.</param>
    public static void Run(
        Database database, int version, IReadOnlyList<Migration> migrations, Action<int> save, Action<string> tell)
    {
        const int Step = 50_000;
        for (; version < First + migrations.Count; version++)
        {
            Migration migration = migrations[version - First];
            string name = $"store {database.Folder}: schema {version} to {version + 1}, {migration.What}";
            long last = 0;
            tell(name);
            migration.Change(database, done =>
            {
                if (done - last >= Step)
                {
                    last = done;
                    tell($"{name}: {done} records done");
                }
            });
            save(version + 1);
        }
    }
}
