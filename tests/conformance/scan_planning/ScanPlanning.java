import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.iceberg.CatalogProperties;
import org.apache.iceberg.FileScanTask;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableScan;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.expressions.Expression;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.rest.RESTCatalog;

/** Scans by Iceberg's own client, planned by the server. Of each: files, those without a residual, deletes, rows. */
public class ScanPlanning {
  public static void main(String[] arguments) throws Exception {
    try (RESTCatalog catalog = new RESTCatalog()) {
      catalog.initialize("lake", Map.of(
          CatalogProperties.URI, arguments[0], "scan-planning-mode", "server",
          CatalogProperties.FILE_IO_IMPL, "org.apache.iceberg.hadoop.HadoopFileIO"));
      Table table = catalog.loadTable(TableIdentifier.of("planned", "events"));
      for (Map.Entry<String, Expression> filter : filters().entrySet()) {
        System.out.println(filter.getKey() + ": " + read(table, filter.getValue()));
      }
      TableScan stats = table.newScan().includeColumnStats(List.of("id")).filter(Expressions.equal("id", 31L));
      try (CloseableIterable<FileScanTask> tasks = stats.planFiles()) {
        for (FileScanTask task : tasks) {
          long lower = task.file().lowerBounds().get(1).order(java.nio.ByteOrder.LITTLE_ENDIAN).getLong(0);
          System.out.println("stats: " + lower + " " + task.file().valueCounts().get(1));
        }
      }
    }
  }

  private static Map<String, Expression> filters() {
    Map<String, Expression> filters = new LinkedHashMap<>();
    filters.put("all", Expressions.alwaysTrue());
    filters.put("id", Expressions.equal("id", 31L));
    filters.put("in", Expressions.in("id", 1L, 55L, 99L));
    filters.put("not", Expressions.not(Expressions.lessThan("id", 100L)));
    filters.put("region", Expressions.startsWith("region", "su"));
    filters.put("south", Expressions.equal("region", "south"));
    filters.put("day", Expressions.and(
        Expressions.greaterThanOrEqual("at", "2024-03-02T00:00:00"), Expressions.lessThan("at", "2024-03-03T00:00:00")));
    filters.put("transform", Expressions.equal(Expressions.day("at"), "2024-03-03"));
    filters.put("nan", Expressions.isNaN("ratio"));
    filters.put("price", Expressions.lessThanOrEqual("price", new java.math.BigDecimal("2.03")));
    filters.put("date", Expressions.or(Expressions.isNull("day"), Expressions.equal("day", "2024-03-04")));
    return filters;
  }

  private static String read(Table table, Expression filter) throws Exception {
    TableScan scan = table.newScan().filter(filter);
    if (!scan.getClass().getSimpleName().equals("RESTTableScan")) {
      throw new IllegalStateException("planned by " + scan.getClass());
    }
    int files = 0;
    int whole = 0;
    int deletes = 0;
    long rows = 0;
    try (CloseableIterable<FileScanTask> tasks = scan.planFiles()) {
      for (FileScanTask task : tasks) {
        ++files;
        whole += task.residual().equals(Expressions.alwaysTrue()) ? 1 : 0;
        deletes += task.deletes().size();
        rows += task.file().recordCount();
      }
    }
    return files + " " + whole + " " + deletes + " " + rows;
  }
}
